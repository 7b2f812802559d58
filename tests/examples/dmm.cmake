set(count 45)
set(parameters affine_rmse emitted_rmse obs_scale affine_rmse_of_seeds:2 loss_last200_of_seeds:2 forward_loss_last200 forward_affine_rmse_of_seeds:2)
set(lines "RNN backward, seed [12]\nStep    0 \\| ELBO loss: [0-9]+\\.[0-9][0-9]\n" "RNN forward, seed [12]\nStep    0 \\| ELBO loss: [0-9]+\\.[0-9][0-9]\n"
          "\nbackward +[12] +[0-9.]+ +[0-9.]+ +[0-9.]+ +[0-9.]+\n" "\nbackward   median" "\nforward    median" "RMSE 0\\.483")
set(files loss.csv series.csv)
set(pictures series)
set(refused --rnn=sideways --rnn --lrd= --data= --epochs= --published=1)
