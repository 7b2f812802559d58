set(parameters chain_mean:4 chain_variance:4 chain_below_0:4 chain_below_1:4 chain_below_2:4 density_if_one:4 density_if_zero:4 one_given_x:4)
set(always seconds)
set(number "-?[0-9]+\\.[0-9]+")
set(lines "z ~ Normal\\(0, 1\\), x ~ Normal\\(z, 1\\)\n  z +Normal += +${number} +log p +${number}\n  x +Normal += +${number} +log p +${number}\n  the run +log p +${number}\n"
          "the same with x observed\n  z [^\n]*\n  x +Normal += +1\\.5000 +log p +${number} +observed\n"
          "n ~ Poisson\\(3\\), then n times Normal\\(0, 1\\)\n  n +Poisson +=" "  k +Bernoulli += +[01]\\.0000 +log p +-0\\.6931\n  z +(Normal|Gamma) "
          "P\\(k = 1 \\| x\\) +0\\.[0-9]+ +0\\.[0-9]+ +0\\.355766 +${number}\n")
