"""The dashboard in a real Chromium, over the real product."""
