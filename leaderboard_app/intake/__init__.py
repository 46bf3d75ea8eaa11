"""Accept a submission: fields, repository checks, queue."""
