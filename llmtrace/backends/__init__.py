"""What is particular to one backend: where its pages are, how to run it here, how to read a trace back."""
