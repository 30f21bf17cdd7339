"""What a webhook is shown of a call: fewer properties, masked numbers. Pure steps."""
