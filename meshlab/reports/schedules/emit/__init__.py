"""What a user deploys: schedules in the words of cron, systemd, Kubernetes, GitHub and Prometheus."""
