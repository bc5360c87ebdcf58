"""Parts of the training and the evaluation of the demo model; run the two scripts one folder up."""
