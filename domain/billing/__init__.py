"""The billing core: plans, the subscription's life, the rule that decides an event. Pure, standard library only."""
