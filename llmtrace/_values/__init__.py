"""Any Python value -> bounded text or entries, whatever the value does; knows nothing of spans."""
