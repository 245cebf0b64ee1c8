"""Classification and regression of tf.Examples, whatever the protocol: one file a task, and what runs them."""
