"""What recording costs, side by side with the raw SDK and the peers, in one run, as ratios. Run by `make bench`."""
