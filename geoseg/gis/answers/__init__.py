"""What people say of a map: verdicts on places of the table `review`, and edits of its polygons."""
