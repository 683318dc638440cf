"""The names of the V2 document's techniques, as tests of several folders need them."""

TECHNIQUES_WITH_A_PROMISE = [
    "reward_calculator_enhanced",
    "similarity_metrics",
    "batch_manager_adaptive",
    "performance_tracker",
    "curriculum_learner",
    "active_learner",
    "hyperparameter_optimizer",
    "preference_learner",
    "data_augmenter",
    "hard_negative_miner",
    "quality_gates",
]
