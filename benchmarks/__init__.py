"""Speed and memory as ratios against floors and peers measured in the same run."""
