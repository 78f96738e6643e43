"""What happened, in words for people: shared by everything that a person looks at."""
