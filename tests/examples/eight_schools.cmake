set(parameters mu0_loc mu0_scale tau_loc theta_loc:8 theta_scale:8 better_mu0_loc better_mu0_scale better_tau_loc better_tau_scale
               better_eta_loc:8 better_eta_scale:8 better_loss better_loss_last200 loss_last200_median importance_weighted_bound)
set(steps "Step    0 \\| ELBO loss: [0-9]+\\.[0-9][0-9]\nStep  500 \\| ELBO loss: [0-9]+\\.[0-9][0-9]\nStep 1000 \\| ELBO loss: [0-9]+\\.[0-9][0-9]\n")
set(lines "The tutorial's guide\n${steps}" "The better guide\n${steps}" "the expected loss\nis infinite" "no estimate either")
set(files loss.csv schools.csv)
set(pictures loss schools)
