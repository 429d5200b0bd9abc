"""The viewer in the browser: several objects in one scene, that are clicked on, painted and edited.

``state`` holds what a session is, as values; ``actions`` is what a user does, from session to session. ``worker`` does
the model's work beside the server. ``guard`` is the check in front of the server, ``app`` the page.
"""
