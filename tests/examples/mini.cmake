set(parameters loc scale log_loc log_scale)
set(lines "One run of the model, without data: length -?[0-9]+\\.[0-9]+, error [0-9]+\\.[0-9]+\n"
          "Step  500 \\| ELBO loss = [0-9]+\\.[0-9]+\n" "Step 1000 \\| ELBO loss = " "loc +[0-9]\\.[0-9]+\n")
