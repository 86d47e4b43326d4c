"""Single pairs on the page: the strongest, those that contribute most, and all of them for its explorer."""
