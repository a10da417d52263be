"""How quickly the dashboard paints, and how smoothly it follows, in a real Chromium."""
