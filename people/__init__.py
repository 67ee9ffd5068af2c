"""Who may do what, where: users, projects and memberships. Both halves stand on this room and it on neither."""
