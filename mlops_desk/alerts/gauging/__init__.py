"""What samples and incidents say of the rules of the table: facts, for the engine of rules to judge."""
