"""What can be done with a chosen job, or with a chosen sweep or array: by button, menu, key and palette."""
