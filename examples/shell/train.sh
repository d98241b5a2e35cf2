#!/bin/sh
# Train a logistic regression with awk: tell large penguins from small ones by wing and mass (made-up birds).
# One line and one weight file per epoch. An ordinary script: it knows nothing of kwrap.
#
#     ./train.sh [--lr 0.01] [--epochs 10]
set -eu
cd "$(dirname "$0")"

lr=0.01
epochs=10
while [ $# -gt 0 ]; do
    case $1 in
    --lr) lr=$2 ;;
    --epochs) epochs=$2 ;;
    *) echo "usage: ./train.sh [--lr RATE] [--epochs N]" >&2 && exit 2 ;;
    esac
    shift 2
done

mkdir -p weights
weights="0 0 0"
epoch=1
while [ "$epoch" -le "$epochs" ]; do
    # Prints the new weights and what they achieve: w1 w2 bias loss accuracy
    result=$(awk -F, -v lr="$lr" -v weights="$weights" '
        BEGIN { split(weights, w, " ") }
        NR > 1 { n++; a[n] = ($1 - 197) / 12; b[n] = ($2 - 4150) / 730; large[n] = $3 }
        END {
            for (step = 1; step <= 2000; step++) {
                g1 = g2 = g0 = loss = right = 0
                for (i = 1; i <= n; i++) {
                    p = 1 / (1 + exp(-(w[1] * a[i] + w[2] * b[i] + w[3])))
                    loss -= log((large[i] ? p : 1 - p) + 1e-12) / n
                    right += (p > 0.5) == large[i]
                    error = (p - large[i]) / n
                    g1 += error * a[i]; g2 += error * b[i]; g0 += error
                }
                w[1] -= lr * g1; w[2] -= lr * g2; w[3] -= lr * g0
            }
            printf "%.9g %.9g %.9g %.4f %.4f\n", w[1], w[2], w[3], loss, right / n
        }' penguins.csv)
    loss_and_accuracy=${result#* * * }
    weights=${result%" $loss_and_accuracy"}
    echo "epoch $epoch loss: ${loss_and_accuracy% *} accuracy: ${loss_and_accuracy#* }"
    file=weights/epoch-$(printf %02d "$epoch").txt
    echo "$weights" >"$file.tmp" && mv "$file.tmp" "$file"
    epoch=$((epoch + 1))
done
