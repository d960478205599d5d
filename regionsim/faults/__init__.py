"""The vocabulary of faults and the verdicts they give; pure. Scenarios, admin API, TUI and fuzzer all speak it.

    {link_loss: {between: [a, b], loss: 5%}}  ->  parse_fault  ->  LinkLoss(...)        vocabulary
    ActiveFaults().add("storm", LinkLoss(...))  ->  link_rule(a, b)                     active
    judge_link(rule, draws)  ->  pass, deliver after, duplicate, drop                   verdicts

A fault is a value, and so is the set of faults that are on. Faults own no clock and no randomness: whoever asks brings
one fixed set of uniform draws per message, the same set whether or not a fault is on. Deleting one fault from a
scenario then leaves every other message's luck alone, which is what makes a failing scenario shrinkable.
"""
