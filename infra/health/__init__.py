"""What is ill in a running stack: the checks that `status`, `up`, metrics and alerts share."""
