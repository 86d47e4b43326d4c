"""Attribution to words: items with words left out, and what captum makes of their margins."""
