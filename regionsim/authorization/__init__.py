"""Who may do what with which KMS key: policies, grants, and the decision; pure, default deny.

    policy text -> policy.parse_policy -> compile.compile_policy -> decide.decide(request, policies) -> Decision

Nothing here refuses a call: decisions and findings are values, and `regionsim.kms` turns them into refusals.
"""
