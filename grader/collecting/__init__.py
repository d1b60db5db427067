"""From what a learning platform lets people download to the class folder, and back: who is who."""
