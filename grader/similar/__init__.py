"""Which answers share more than chance explains, with each other or with the references."""
