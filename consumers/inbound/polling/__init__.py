"""When the poller asks for which run."""
