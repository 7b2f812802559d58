set(parameters w_loc:2 w_scale:2 b_loc b_scale)
set(lines "Step 0 \\| ELBO loss = [0-9]+\\.[0-9][0-9]\nStep 400 \\| ELBO loss = [0-9]+\\.[0-9][0-9]\nStep 800 \\| ELBO loss = [0-9]+\\.[0-9][0-9]\n")
set(files data.csv loss.csv prediction.csv)
set(pictures data loss probability uncertainty)
