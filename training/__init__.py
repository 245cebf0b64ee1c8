"""How a model learns: recipes, data, the one train and evaluation loop, runs."""
