"""Those who answer chats, reached over HTTP from the event loop."""
