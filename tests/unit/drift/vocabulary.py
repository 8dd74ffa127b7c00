"""The words that texts of these tests are made of."""

WORDS = (
    "the", "a", "cat", "dog", "bird", "sat", "ran", "flew", "on", "under", "over", "mat", "house", "tree", "old", "new",
    "red", "blue", "and", "then",
)  # fmt: skip
