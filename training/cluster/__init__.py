"""Training in several processes: who they are, how they find each other, and who watches over them."""
