"""Who can serve a request, how it is asked, and what follows when it fails; pure, time is an argument."""
