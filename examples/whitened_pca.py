"""Are whitened PCA scores Gaussian? They have mean 0 and covariance I by construction, and that is where it ends.

Many pipelines treat whitened scores as draws from N(0, I): they threshold ‖z‖² by a chi-square quantile, or draw new z
and invert the PCA. This audits the scores of scikit-learn's PCA on handwritten digits. What one learns: the first two
steps of the ladder (mean; spread and correlation) find nothing, as whitening promises (even less than chance would: the
scores are standardised by these very data); everything beyond two moments fails, because digits come in ten clusters,
and turning and scaling cannot undo that.

    python examples/whitened_pca.py            # 1797 digits, 16 components
    python examples/whitened_pca.py --quick    # 600 of them, 8 components
"""

from __future__ import annotations

import argparse

from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

import lather as lt


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="fewer digits and components")
    parser.add_argument("--out", default="runs/whitened-pca", help="folder for the report")
    args = parser.parse_args()

    x, y = load_digits(return_X_y=True)
    n, d = (600, 8) if args.quick else (len(x), 16)
    x, y = x[:n], y[:n]

    pca = PCA(d, whiten=True).fit(x)
    z = pca.transform(x)
    report = lt.audit(z, labels=y)
    print(report)  # the card
    report.save(args.out)
    print(f"\nreport: {args.out}/report.html")

    print("\nstep of the ladder    z-score (prior samples: about −2 to 2)")
    names = ("mean", "spread and correlation", "lopsidedness", "tails and clusters")
    for k, name in enumerate(names, start=1):
        print(f"{k} {name:24}{report.rows[f'ladder_{k}'].z:8.1f}")


if __name__ == "__main__":
    main()
