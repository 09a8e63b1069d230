"""What is typed, as it stands in transcripts, stories and the README; and pages as people see them."""
