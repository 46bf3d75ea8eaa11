"""The commands of `clear-unlearning`, one file each: a function that takes the arguments behind the command's name."""
