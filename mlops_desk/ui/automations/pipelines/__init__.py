"""Retrainings as graphs: where each stands, what each step found, and the hand that stops or goes on."""
