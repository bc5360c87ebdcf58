"""How well tracking holds on recordings with known truth, beside Meta's predictor; see docs/quality.md."""
