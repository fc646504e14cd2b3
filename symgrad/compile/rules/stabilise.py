from symgrad.compile.pattern import ruleset

RULES = ruleset("stabilise")
