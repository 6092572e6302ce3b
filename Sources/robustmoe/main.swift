print("robustmoe")
