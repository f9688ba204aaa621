"""What goes wrong at simulated systems on purpose: requests, access tokens and notifications."""
