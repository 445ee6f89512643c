"""How does this service scale, and does its autoscaler follow?"""
