"""The queue of proposals, and what a person may do with one."""
