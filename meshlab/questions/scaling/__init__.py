"""Where does a service stop scaling, and does its autoscaler follow?"""
