"""What runs beside the requests: health checks, discovery, and the tasks that they run in."""
