"""When a rule fires: pure, by the values and both clocks that it is handed. What is unknown fires nothing."""
