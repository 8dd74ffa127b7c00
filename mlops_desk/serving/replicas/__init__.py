"""The replicas of a revision: how many there are to be, who starts them, what may be asked for."""
