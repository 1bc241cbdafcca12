"""New Stripe objects with every field that Stripe's own description declares as always present."""
